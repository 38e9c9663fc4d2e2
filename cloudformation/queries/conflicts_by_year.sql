-- Variants with several submitters in each release that the job vcf-to-parquet has converted, and how many conflict.
SELECT year,
       count(*) AS variants,
       sum(CASE WHEN clnrevstat = 'criteria_provided,_multiple_submitters,_no_conflicts' THEN 0 ELSE 1 END) AS conflicting
FROM clinvar_vcf
WHERE clnrevstat IN ('criteria_provided,_multiple_submitters,_no_conflicts',
                     'criteria_provided,_conflicting_interpretations',
                     'criteria_provided,_conflicting_classifications')
GROUP BY 1
ORDER BY 1
